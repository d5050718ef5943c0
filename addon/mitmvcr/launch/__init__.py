"""A proxy as a child process, and the environment that leads a program to it; nothing here imports mitmproxy.

planning     from options and the environment to the proxy that a program needs
process      the proxy as a child process: started, waited for, stopped
child        the program under test: started with the terminal, signalled, waited for
environment  the variables that lead a program to the proxy
trust        files by which programs trust the proxy's CA
folders      the folder of a run, and the one with mitmproxy's CA
contract     what the launcher and the proxy tell each other
"""

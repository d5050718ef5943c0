"""The command line's parsers: flags and help texts; what a subcommand does is in commands/.

subcommand   what a parser is made from, and what several of them share
proxy_flags  the flags of whatever starts a proxy or leads to one
running      run, proxy, env, ca
cassettes    convert, show, diff
secrets      lint, scrub
reports      orphans
"""

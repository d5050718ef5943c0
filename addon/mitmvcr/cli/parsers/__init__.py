"""The command line's parsers: flags and help texts; what a subcommand does is in commands/.

Each subcommand has a function of its name, which adds its arguments; what help says of it is in texts.json.

running    run, proxy, env, ca
cassettes  convert, show, diff, lint, scrub, orphans
"""

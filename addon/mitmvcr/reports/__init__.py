"""What a run came to: for programs, for CI systems and for people.

run_report        what came of a cassette, and the JSON report
totals            one report a cassette, however often it was opened
junit             the report as JUnit's XML
github            the report as annotations in GitHub Actions
terminal_summary  the terminal's last lines
traffic           other hosts, and connections without a request
orphans           cassettes that no run used, by the reports
only_missed       a report -> options that record what was missed
"""

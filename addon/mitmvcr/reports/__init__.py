"""What a run came to: for programs, for CI systems and for people.

run_report   what came of a cassette, and the JSON report
totals       one report a cassette, however often it was opened
junit        the report as JUnit's XML
summary      the terminal's last lines, and GitHub's annotations
github       workflow commands
orphans      cassettes that no run used, by the reports
only_missed  a report -> options that record what was missed
"""

"""What README.md and docs/operations.md promise, said a second time and held against what was seen.

A promise yields a text for each time that it was not kept. None may demand what nobody can know: IAM does not
say who attached, so an off and on again between two looks of the runbook is not there for it.
"""

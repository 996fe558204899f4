"""`make people`: what people, Terraform and pipelines do between the steps, and whether reports stay true.

A story (story) is runs, and what others do between and inside them; chance draws them, and found has those
in which a promise was broken once. Each is played (play) in a fork of one account (place), where a ledger
writes down who attached, detached and deployed what. What the runs said is then compared with that
(promises), and a story in which a promise is broken is made shorter (shorter) for as long as it still is.
"""

"""`make chaos`: every fault at every point of a run, and each time the account is either fixed or as it was.

A story is played once. At each AWS call of a function, at each begin and end of a function and at each state,
the process is forked for each fault that can happen there, and the child plays the story to its end with it
(incidents, explorer, forks). What is there then is judged from outside (verdicts). Runs that work side by
side are held up at their changes in the same way (interleaving), and events are bent in many ways (events).
"""

"""`make deploy`, `make set` and `make destroy`: the stack in an AWS account.

account      which account and region, and what it allows
parameters   the template's parameters, and what each accepts
questions    the four questions
cloud        the stack as CloudFormation knows it
release      build and deploy, and what to do next
change       one parameter of a deployed stack
removal      executions, stack, and on demand what the stack retains
"""

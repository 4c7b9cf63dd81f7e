"""What `dropreel doctor` checks. Each check is a function of one visit, and finds one thing."""

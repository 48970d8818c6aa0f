"""Who speaks: chat models by reference, from the embedded one to a served one."""

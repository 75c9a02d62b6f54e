"""HTTP as every process of ours serves it: uvicorn, with bounds on what a caller may send, hold open and delay."""

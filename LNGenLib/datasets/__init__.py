"""Data sets: cases in the layouts people have, pools of lymph nodes, synthetic cases."""

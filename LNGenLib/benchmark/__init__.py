"""The paper's tables.

Table I, does synthesis help segmentation?: `table1`, its `arms` and their `augmentation`, and a
`standin` (with its own `scanner`) for the private cohort. Table II, which variant draws the best
shapes?: `table2`, its `explicit` variant, `baselines` and `gallery`.
"""

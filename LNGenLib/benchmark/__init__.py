"""Does synthesis help segmentation? Table I of the paper, and a stand-in for its private cohort."""

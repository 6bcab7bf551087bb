"""A result as DICOM: a CT series and a segmentation, marked synthetic, of no patient's record."""

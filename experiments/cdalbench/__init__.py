"""The two generated sets of CDALBench, with its published figures beside ours."""

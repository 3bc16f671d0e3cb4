"""What commands show: progress, charts, and the reports of a build and of a training."""

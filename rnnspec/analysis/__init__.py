"""What is asked of trained networks: performance, activity, gradients through time."""

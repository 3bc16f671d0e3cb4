"""From a program to numbers: schedules, noise, weights, engines and simulations."""

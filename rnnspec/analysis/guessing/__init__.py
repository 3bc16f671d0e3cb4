"""What guessing scores: a task played in numpy by untrained networks, constant outputs and other answers."""

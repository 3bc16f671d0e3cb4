"""The formats in which `rnnspec validate` reports: a module for each, with a function `render`."""

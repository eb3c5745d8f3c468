"""From raw reviews to a prepared data set, its candidates and its card."""

"""Any Questionnaire: what its author asks to be done with the answers (SDC), beside the rating scales, which have a room of their own."""

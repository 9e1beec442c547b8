"""Level-triggered: finish open claims, and start registrations whose event never arrived."""

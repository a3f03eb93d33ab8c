"""Pure functions over arrays and measured values: intervals, paired differences, geometry, confusion."""

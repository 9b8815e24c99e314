"""A gateway for a team as its users run it: several workers, real engines, processes killed in the middle."""

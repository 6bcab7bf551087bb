"""How close generated surfaces are to real ones (Table II)."""

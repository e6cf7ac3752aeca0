"""Reading what admins wrote and checking it, all mistakes at once. Not here: deciding anything."""

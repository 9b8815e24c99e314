"""From the model name a client asks for to the targets that can serve it."""

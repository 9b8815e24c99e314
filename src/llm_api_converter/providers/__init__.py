"""Who is called: the catalogue of providers and models, and how calls are authenticated."""

"""LLM API Converter: any LLM client on any LLM, translated without silent loss."""

__version__ = "0.1.0"

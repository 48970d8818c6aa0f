"""Who decides: LangGraph graphs that answer questions by using the tools."""

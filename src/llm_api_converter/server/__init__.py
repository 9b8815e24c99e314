"""The gateway as a server: routes, the pipeline of one request, the runtime it runs on."""

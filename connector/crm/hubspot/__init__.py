"""HubSpot behind the port, through hubspot-api-client's transport. Not here: any rule of the handoff."""

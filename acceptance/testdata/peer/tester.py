"""Runs scim2-tester against the server at argv[1] with the token argv[2]; prints one JSON object a check."""
import json
import sys

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import check_server

http = httpx2.Client(base_url=sys.argv[1], headers={"Authorization": "Bearer " + sys.argv[2]})
client = SyncSCIMClient(http)
client.discover()
for result in check_server(client):
    print(json.dumps({"status": result.status.name, "title": result.title, "reason": result.reason or ""}))

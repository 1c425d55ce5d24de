"""A receiver of notifications: verifies the signature with the key in $HOOK_SECRET, keeps each once."""

import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["HOOK_SECRET"])
seen: set[str] = set()  # a real receiver keeps the ids where a restart does not lose them


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to what is ours, 400 to what is not."""

    def do_POST(self) -> None:
        """Take a notification."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            event = webhook.verify(body, dict(self.headers))
        except WebhookVerificationError as error:
            self.send_error(400, str(error))
            return
        if event["id"] not in seen:
            seen.add(event["id"])
            print(json.dumps(event), flush=True)
        self.send_response(204)
        self.end_headers()


HTTPServer(("", int(os.environ.get("PORT", "8000"))), Receiver).serve_forever()

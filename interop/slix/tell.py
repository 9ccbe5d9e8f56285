"""What happens, as one JSON object a line on standard output."""
import json


def tell(event, **what):
    print(json.dumps({"event": event, **what}), flush=True)

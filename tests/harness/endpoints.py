"""SendGrid's endpoints, as orders of faults name them."""

from __future__ import annotations

PUT = {"method": "PUT", "path": "/v3/marketing/contacts"}
POLL = {"method": "GET", "path": "/v3/marketing/contacts/imports/*"}
SEARCH = {"method": "POST", "path": "/v3/marketing/contacts/search/emails"}

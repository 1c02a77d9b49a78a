"""What the end-to-end tests stand on: a real PostgreSQL, a real Holdfast, real clients and a raw wire client."""

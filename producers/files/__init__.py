"""Services in files: tables (CSV) and one JSON object a line (NDJSON), in and out."""

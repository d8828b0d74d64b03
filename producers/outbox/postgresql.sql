-- The outbox of Leasewire, for PostgreSQL 12 and newer. Running it again changes nothing.
--
-- Write an event in the transaction that changes the service, and count the service's revision up
-- there: either both are committed, or none, and revisions follow the row lock.
--
--   BEGIN;
--   UPDATE service SET mac = '00:00:5E:00:53:02', revision = revision + 1
--     WHERE id = 'SVC-1001' RETURNING revision;                                 -- say, 7
--   INSERT INTO leasewire_outbox (body) VALUES ('{
--     "id": "SVC-1001:7", "source": "urn:isp:bss:example",
--     "type": "leasewire.service.mac_changed.v1",
--     "data": {"service_id": "SVC-1001", "revision": 7, "mac": "00:00:5E:00:53:02"}}');
--   COMMIT;
--
-- `leasewire outbox relay` publishes the rows in the order of `position` and marks them. Its user
-- needs SELECT, UPDATE and, to remove rows that it published long ago, DELETE on this table.

CREATE TABLE IF NOT EXISTS leasewire_outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The event as CloudEvents JSON. What follows from the rest may be left out (`specversion`,
    -- `datacontenttype`, `subject`), and `time`, which then is `created_at`.
    body jsonb NOT NULL CHECK (
        jsonb_typeof(body -> 'data') = 'object'
        AND body ->> 'id' IS NOT NULL AND body ->> 'source' IS NOT NULL
        AND body ->> 'type' IS NOT NULL AND body -> 'data' ->> 'service_id' IS NOT NULL
    ),
    id text NOT NULL GENERATED ALWAYS AS (body ->> 'id') STORED,
    source text NOT NULL GENERATED ALWAYS AS (body ->> 'source') STORED,
    type text NOT NULL GENERATED ALWAYS AS (body ->> 'type') STORED,
    subject text NOT NULL GENERATED ALWAYS AS ('service/' || (body -> 'data' ->> 'service_id')) STORED,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz, -- it is in Leasewire's journal
    refused_at timestamptz,   -- it never will be, as it is: mend `body`, and set this to NULL
    refusal text,             -- why
    UNIQUE (source, id)
);

CREATE INDEX IF NOT EXISTS leasewire_outbox_open ON leasewire_outbox (position)
    WHERE published_at IS NULL AND refused_at IS NULL;

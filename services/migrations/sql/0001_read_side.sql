-- What the read side knows about itself. The tables of the projections are not here: each version
-- of a projection has a schema of its own, made from the projection's module.
CREATE SCHEMA vito;

CREATE TABLE vito.projection_versions (
    projection text    NOT NULL,
    version    integer NOT NULL CHECK (version > 0),
    definition integer NOT NULL,
    state      text    NOT NULL CHECK (state IN ('building', 'serving', 'retired')),
    PRIMARY KEY (projection, version)
);
CREATE UNIQUE INDEX one_version_serves ON vito.projection_versions (projection)
    WHERE state = 'serving';
COMMENT ON TABLE vito.projection_versions IS
    'Which version of a projection the public views show. Definition: that of its module.';

CREATE TABLE vito.projection_positions (
    projection     text    NOT NULL,
    version        integer NOT NULL,
    shard          integer NOT NULL,
    stream_seq     bigint  NOT NULL CHECK (stream_seq >= 0),
    last_commit_at timestamptz,
    PRIMARY KEY (projection, version, shard),
    FOREIGN KEY (projection, version) REFERENCES vito.projection_versions ON DELETE CASCADE
) WITH (fillfactor = 50);
COMMENT ON TABLE vito.projection_positions IS
    'How far a version has applied a shard''s stream. Written with the rows, in one transaction.';

CREATE TABLE vito.chain_heads (
    tenant     text    PRIMARY KEY,
    shard      integer NOT NULL,
    position   bigint  NOT NULL,
    stream_seq bigint  NOT NULL,
    hash       text    NOT NULL CHECK (length(hash) = 64)
) WITH (fillfactor = 50);
CREATE INDEX ON vito.chain_heads (shard);
COMMENT ON TABLE vito.chain_heads IS
    'The last commit of each tenant that was checked against the one before it.';

CREATE TABLE vito.shard_status (
    shard          integer PRIMARY KEY,
    state          text    NOT NULL CHECK (state IN ('running', 'retrying', 'stopped')),
    error          text,
    last_seq       bigint,
    behind_since   timestamptz,
    erased_commits bigint  NOT NULL DEFAULT 0,
    reported_at    timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE vito.shard_status IS
    'What the projector that holds a shard says about itself, about once a second.';

CREATE VIEW public.projection_positions AS
SELECT p.projection, p.version, p.shard, p.stream_seq, p.last_commit_at
FROM vito.projection_positions p
JOIN vito.projection_versions v USING (projection, version)
WHERE v.state = 'serving';

CREATE VIEW public.projection_lag AS
SELECT p.projection, p.version, p.shard, p.stream_seq, s.last_seq,
    greatest(s.last_seq - p.stream_seq, 0) AS behind,
    CASE WHEN s.last_seq > p.stream_seq
        THEN extract(epoch FROM now() - coalesce(s.behind_since, s.reported_at))
        ELSE 0 END AS age_s,
    s.state, s.error, s.erased_commits, s.reported_at,
    extract(epoch FROM now() - s.reported_at) AS reported_age_s
FROM public.projection_positions p LEFT JOIN vito.shard_status s USING (shard);

GRANT USAGE ON SCHEMA vito TO vito_projector;
GRANT SELECT ON vito.projection_versions TO vito_projector;
GRANT SELECT, INSERT, UPDATE ON vito.projection_positions, vito.chain_heads, vito.shard_status
    TO vito_projector;
GRANT SELECT ON public.projection_positions, public.projection_lag TO vito_api;

-- What twins know, to be looked up. Drafts and what is live are different tables, so that no
-- mistake in a query can mix them: retrieval may read the live ones only, and who reviews a draft
-- does so as the indexing role. Everything here can be made again from the log and the store.
-- `vector` must be there, or this be run by a superuser: it is not a trusted extension.
CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;
CREATE EXTENSION IF NOT EXISTS unaccent SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gin SCHEMA public;

CREATE SCHEMA knowledge;

-- Words as people type them: without accents, each language with its own stems and stop words.
CREATE TEXT SEARCH CONFIGURATION knowledge.es (COPY = pg_catalog.spanish);
ALTER TEXT SEARCH CONFIGURATION knowledge.es
    ALTER MAPPING FOR hword, hword_part, word WITH public.unaccent, pg_catalog.spanish_stem;
CREATE TEXT SEARCH CONFIGURATION knowledge.en (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION knowledge.en
    ALTER MAPPING FOR hword, hword_part, word WITH public.unaccent, pg_catalog.english_stem;

-- The words of a chunk: those of its headings count for more. A text of unknown language has the
-- words of both.
CREATE FUNCTION knowledge.words_of(language text, headings text, body text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN language LIKE 'es%' THEN
        setweight(to_tsvector('knowledge.es', headings), 'B') || to_tsvector('knowledge.es', body)
    WHEN language LIKE 'en%' THEN
        setweight(to_tsvector('knowledge.en', headings), 'B') || to_tsvector('knowledge.en', body)
    ELSE
        setweight(to_tsvector('knowledge.es', headings), 'B') || to_tsvector('knowledge.es', body)
        || setweight(to_tsvector('knowledge.en', headings), 'B')
        || to_tsvector('knowledge.en', body)
    END;

-- A word of a tsvector as a query for it, whatever characters it has.
CREATE FUNCTION knowledge.term_of(lexeme text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery;

CREATE TABLE knowledge.models (
    model      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text    NOT NULL,
    version    text    NOT NULL,
    dimensions integer NOT NULL CHECK (dimensions BETWEEN 1 AND 3900),
    state      text    NOT NULL CHECK (state IN ('building', 'serving', 'retired')),
    UNIQUE (name, version, dimensions)
);
CREATE UNIQUE INDEX one_model_serves ON knowledge.models (state) WHERE state = 'serving';
CREATE UNIQUE INDEX one_model_is_built ON knowledge.models (state) WHERE state = 'building';
COMMENT ON TABLE knowledge.models IS
    'What makes vectors. Questions are compared with those of the serving one only.';

CREATE TABLE knowledge.positions (
    shard      integer PRIMARY KEY,
    stream_seq bigint  NOT NULL CHECK (stream_seq >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE knowledge.positions IS
    'How far the index has followed a shard''s stream. Written with the rows, in one transaction.';

CREATE TABLE knowledge.chain_heads (
    tenant     text    PRIMARY KEY,
    shard      integer NOT NULL,
    position   bigint  NOT NULL,
    stream_seq bigint  NOT NULL,
    hash       text    NOT NULL CHECK (length(hash) = 64)
) WITH (fillfactor = 50);
CREATE INDEX ON knowledge.chain_heads (shard);

CREATE TABLE knowledge.draft_chunks (
    tenant       text    NOT NULL,
    source       text    NOT NULL,
    content_hash text    NOT NULL CHECK (length(content_hash) = 64),
    number       integer NOT NULL,
    title        text    NOT NULL,
    language     text    NOT NULL,
    text         text    NOT NULL,
    chunk_hash   text    NOT NULL CHECK (length(chunk_hash) = 64),
    place        jsonb   NOT NULL,
    headings     text    NOT NULL,
    model        integer REFERENCES knowledge.models ON DELETE SET NULL,
    embedding    public.halfvec,
    words        tsvector NOT NULL
        GENERATED ALWAYS AS (knowledge.words_of(language, headings, text)) STORED,
    PRIMARY KEY (tenant, source, content_hash, number)
);

CREATE TABLE knowledge.live_sources (
    tenant       text    NOT NULL,
    source       text    NOT NULL,
    content_hash text    NOT NULL CHECK (length(content_hash) = 64),
    chunks       integer NOT NULL CHECK (chunks > 0),
    decision     bigint  NOT NULL,
    problem      text,
    PRIMARY KEY (tenant, source)
);
COMMENT ON TABLE knowledge.live_sources IS
    'The approved content of each source, as the index knows it. Decision: the number of the one '
    'that approved it. Problem: why its chunks are not live.';

CREATE TABLE knowledge.live_chunks (
    tenant       text    NOT NULL,
    source       text    NOT NULL,
    number       integer NOT NULL,
    content_hash text    NOT NULL CHECK (length(content_hash) = 64),
    decision     bigint  NOT NULL,
    title        text    NOT NULL,
    language     text    NOT NULL,
    text         text    NOT NULL,
    chunk_hash   text    NOT NULL CHECK (length(chunk_hash) = 64),
    place        jsonb   NOT NULL,
    headings     text    NOT NULL,
    words        tsvector NOT NULL
        GENERATED ALWAYS AS (knowledge.words_of(language, headings, text)) STORED,
    PRIMARY KEY (tenant, source, number)
);
CREATE INDEX live_words ON knowledge.live_chunks USING gin (tenant, words)
    WITH (fastupdate = off);
COMMENT ON TABLE knowledge.live_chunks IS
    'What twins may say they know: chunks of approved content. Decision: the one that approved it.';

CREATE TABLE knowledge.live_vectors (
    tenant    text    NOT NULL,
    model     integer NOT NULL REFERENCES knowledge.models ON DELETE CASCADE,
    source    text    NOT NULL,
    number    integer NOT NULL,
    content_hash text NOT NULL,
    embedding public.halfvec NOT NULL,
    PRIMARY KEY (tenant, model, source, number),
    FOREIGN KEY (tenant, source, number) REFERENCES knowledge.live_chunks ON DELETE CASCADE
);
CREATE INDEX ON knowledge.live_vectors (tenant, source, number);
-- Without an index over all twins on purpose. Measured on 100,000 chunks of 512 dimensions, two cores:
-- comparing a question with each of a twin's takes 62 ms at 90,000 chunks, 0.8 ms at 1,000, and
-- finds everything. HNSW takes 2 to 6 ms, and behind the filter for a twin with a tenth of the
-- chunks found 1 of 30, with iterative scans 27 of 30 (and 72 ms at worst). Half precision reads
-- half the pages (62 against 112 ms).
-- In the row and not in a table beside it: comparing one is then one read.
ALTER TABLE knowledge.live_vectors ALTER COLUMN embedding SET STORAGE PLAIN;

-- Readers see one twin at a time, the one that their transaction names, whatever they ask for.
ALTER TABLE knowledge.live_chunks ENABLE ROW LEVEL SECURITY;
ALTER TABLE knowledge.live_vectors ENABLE ROW LEVEL SECURITY;
ALTER TABLE knowledge.live_sources ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_twin ON knowledge.live_chunks FOR SELECT TO vito_api
    USING (tenant = current_setting('vito.tenant', true));
CREATE POLICY one_twin ON knowledge.live_vectors FOR SELECT TO vito_api
    USING (tenant = current_setting('vito.tenant', true));
CREATE POLICY one_twin ON knowledge.live_sources FOR SELECT TO vito_api
    USING (tenant = current_setting('vito.tenant', true));
CREATE POLICY indexing ON knowledge.live_chunks TO vito_knowledge USING (true) WITH CHECK (true);
CREATE POLICY indexing ON knowledge.live_vectors TO vito_knowledge USING (true) WITH CHECK (true);
CREATE POLICY indexing ON knowledge.live_sources TO vito_knowledge USING (true) WITH CHECK (true);

-- Readers look words up with these. Row-level security keeps an operator that could tell what it saw
-- (`@@` is not leakproof) from using an index, so the owner asks, and names the twin itself: the one
-- of the transaction, whatever the query says.
CREATE FUNCTION knowledge.live_counts(lexemes text[], most integer)
    RETURNS TABLE (lexeme text, chunks bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT asked.lexeme, (SELECT count(*) FROM (
        SELECT FROM knowledge.live_chunks c
        WHERE c.tenant = current_setting('vito.tenant', true)
            AND c.words @@ knowledge.term_of(asked.lexeme)
        LIMIT most) found)
    FROM unnest(lexemes) AS asked(lexeme)
$$;
-- Chunks of these contents that have one of the words, those with the most and rarest first.
CREATE FUNCTION knowledge.live_said(either tsquery, lexemes text[], idfs float8[],
        weights float4[], sources text[], hashes text[], most integer)
    RETURNS TABLE (source text, number integer)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH terms AS MATERIALIZED (
        SELECT knowledge.term_of(lexeme) AS term, idf
        FROM unnest(lexemes, idfs) AS given(lexeme, idf)
    )
    SELECT c.source, c.number FROM knowledge.live_chunks c
    JOIN unnest(sources, hashes) AS approved(source, content_hash) USING (source, content_hash)
    WHERE c.tenant = current_setting('vito.tenant', true) AND c.words @@ either
    ORDER BY (SELECT sum(idf * ts_rank(weights, c.words, term)) FROM terms) DESC LIMIT most
$$;
REVOKE ALL ON FUNCTION knowledge.live_counts, knowledge.live_said FROM PUBLIC;
GRANT EXECUTE ON FUNCTION knowledge.live_counts, knowledge.live_said TO vito_api;

GRANT USAGE ON SCHEMA knowledge TO vito_api, vito_knowledge;
GRANT SELECT ON knowledge.live_chunks, knowledge.live_vectors, knowledge.live_sources,
    knowledge.models, knowledge.positions TO vito_api;
GRANT SELECT, INSERT, UPDATE ON knowledge.positions, knowledge.chain_heads TO vito_knowledge;
GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge.models, knowledge.draft_chunks,
    knowledge.live_sources, knowledge.live_chunks, knowledge.live_vectors TO vito_knowledge;

-- As in 0003, and what the twin knew.
CREATE OR REPLACE FUNCTION vito.erase_tenant(erased text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
BEGIN
    INSERT INTO vito.erased_tenants (tenant) VALUES (erased) ON CONFLICT DO NOTHING;
    DELETE FROM public.key_last_used WHERE tenant = erased;
    DELETE FROM knowledge.draft_chunks WHERE tenant = erased;
    DELETE FROM knowledge.live_chunks WHERE tenant = erased;
    DELETE FROM knowledge.live_sources WHERE tenant = erased;
    FOR found IN
        SELECT n.nspname, c.relname
        FROM vito.projection_versions v
        JOIN pg_namespace n ON n.nspname = v.projection || '_v' || v.version
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r' AND c.relname <> 'tenants'
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped
    LOOP
        EXECUTE format('DELETE FROM %I.%I WHERE tenant = $1', found.nspname, found.relname)
            USING erased;
    END LOOP;
END
$$;

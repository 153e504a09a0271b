-- Who may log in, and the database. Run once by a superuser, with psql and the five passwords in
-- its environment; running it again sets the passwords anew and changes nothing else.
--
--   vito            owns the database and migrates it; used by `vito setup` and `vito rebuild` only
--   vito_projector  writes the read models
--   vito_api        reads the views
--   vito_callout    reads who may come in: some columns of keys, members and sessions
--   vito_knowledge  indexes what twins know
--
-- What the last four may do is granted by services/migrations/sql/roles.sql and the migrations,
-- which vito runs; it may create no roles, so they are made here.
\set ON_ERROR_STOP on
\getenv vito_password POSTGRES_VITO_PASSWORD
\getenv projector_password POSTGRES_VITO_PROJECTOR_PASSWORD
\getenv api_password POSTGRES_VITO_API_PASSWORD
\getenv callout_password POSTGRES_VITO_CALLOUT_PASSWORD
\getenv knowledge_password POSTGRES_VITO_KNOWLEDGE_PASSWORD

-- The statements below hold passwords; the server's log must not.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['vito', 'vito_projector', 'vito_api', 'vito_callout', 'vito_knowledge']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE vito LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'vito_password';
ALTER ROLE vito_projector LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'projector_password';
ALTER ROLE vito_api LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'api_password';
ALTER ROLE vito_callout LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'callout_password';
ALTER ROLE vito_knowledge LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'knowledge_password';
-- A reader's query that nobody waits for any more, and a transaction that was forgotten, end.
ALTER ROLE vito_api SET statement_timeout = '30s';
ALTER ROLE vito_api SET default_transaction_read_only = on;
ALTER ROLE vito_callout SET statement_timeout = '5s';
ALTER ROLE vito_callout SET default_transaction_read_only = on;
ALTER ROLE vito_projector SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE vito_knowledge SET idle_in_transaction_session_timeout = '60s';

SELECT 'CREATE DATABASE vito OWNER vito'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'vito')
\gexec

-- By default everybody may connect, and make temporary tables.
REVOKE ALL ON DATABASE vito FROM PUBLIC;
GRANT CONNECT ON DATABASE vito TO vito_projector, vito_api, vito_callout,
    vito_knowledge;

-- Not a trusted extension, so its owner cannot make it: what pgvector knows of vectors.
\connect vito
CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;

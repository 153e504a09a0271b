-- Runs before every migration, and changes nothing when the roles are as they should be.
-- Roles belong to the whole server, so another database may have made them already; an owner who
-- may not create roles needs them to be there.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['vito_projector', 'vito_api', 'vito_callout', 'vito_knowledge'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I LOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- another database's owner was faster
            END;
        END IF;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = wanted
                   AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls))
        THEN
            EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION'
                           ' NOBYPASSRLS', wanted);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), wanted);
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT USAGE ON SCHEMA public TO vito_api, vito_callout, vito_knowledge;
END
$$;

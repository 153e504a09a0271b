-- Erasing a twin takes its rows out of every read model, and nothing else may: no role but the owner
-- has the right to delete. The projector calls this function when the log says that the twin was
-- erased, or when its key is destroyed and nobody can read the log any more. The mark that it leaves
-- can be taken away by the owner only.
CREATE TABLE vito.erased_tenants (
    tenant    text        PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE vito.erased_tenants IS
    'Twins whose rows were deleted, and when that was first done.';

-- What stays: the row in `tenants`, which the projection empties, and the head of the chain.
CREATE FUNCTION vito.erase_tenant(erased text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
BEGIN
    INSERT INTO vito.erased_tenants (tenant) VALUES (erased) ON CONFLICT DO NOTHING;
    DELETE FROM public.key_last_used WHERE tenant = erased;
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
REVOKE ALL ON FUNCTION vito.erase_tenant(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vito.erase_tenant(text) TO vito_projector;

-- When API keys were used last. Not a projection: a use is no event, or every call would be two.
-- The doors write it, at most once a minute for each key; losing it loses no right and no money.
CREATE TABLE public.key_last_used (
    tenant  text        NOT NULL,
    key_id  text        NOT NULL,
    used_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, key_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE public.key_last_used IS 'When a door let each key in last, to the minute.';

GRANT SELECT, INSERT, UPDATE ON public.key_last_used TO vito_api;

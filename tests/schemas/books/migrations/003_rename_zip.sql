ALTER TABLE public.partners RENAME COLUMN zip TO postcode;

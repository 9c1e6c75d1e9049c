-- Names are in the order in which people read them: Éclair near eclair, apple before Zebra, 9 before 10. The root collation of
-- Unicode (CLDR) with numbers by their value; names that it has as equal are told apart by their bytes, so that equal means equal.
create collation name_order (provider = icu, locale = 'und-u-kn-true');

-- Indexes over these columns are built again in the new order; the tables are not rewritten.
alter table products alter column name type text collate name_order;
alter table base_images alter column name type text collate name_order;
alter table registries alter column name type text collate name_order;
alter table operating_systems alter column name type text collate name_order;
alter table application_requests alter column name type text collate name_order;
alter table notification_providers alter column name type text collate name_order;
alter table users alter column name type text collate name_order;
alter table organizations alter column name type text collate name_order;

-- Lists of products, and of applications and pipelines by their product.
create index products_by_name on products (name, key);

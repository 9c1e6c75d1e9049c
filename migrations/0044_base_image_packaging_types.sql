-- What a base image is: container images and charts are built on container images, appliances on appliances. Registered ones are container images.
alter table base_images add column packaging_type text not null default 'CONTAINER_IMAGE'
  check (packaging_type in ('OVA', 'CONTAINER_IMAGE'));

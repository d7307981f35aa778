from django.dispatch import Signal

# With parcels: list[Parcel]; actor; history
parcels_arrived = Signal()
# With parcels: list[Parcel]; actor; history
parcels_tagged = Signal()
# With parcels: list[Parcel]; actor; history
parcels_lost = Signal()
# With parcels: list[Parcel]; actor
parcels_damaged = Signal()

from django.dispatch import Signal

# With parcels: list[Parcel]; actor; history
parcels_arrived = Signal()
# With parcels: list[Parcel]; actor; history
parcels_tagged = Signal()
# With parcels: list[Parcel]; actor; history
parcels_lost = Signal()
parcels_rerouted = Signal()
# With parcels: list[Parcel]; actor
parcels_damaged = Signal()
# With parcels: list[Parcel] on which two systems disagree
parcels_disputed = Signal()
# With parcels: list[Parcel] about which somebody decided
parcels_agreed = Signal()

package awssim

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

func (s *Simulator) listSecrets(in *secretsmanager.ListSecretsInput) (*secretsmanager.ListSecretsOutput, error) {
	if len(in.Filters) > 0 || in.SortBy != "" || in.SortOrder != "" {
		return nil, refuse("InvalidParameterException", "the simulator lists without filters, oldest first")
	}
	all := []types.SecretListEntry{}
	for _, sec := range s.secrets {
		if sec.deleted != nil && !aws.ToBool(in.IncludePlannedDeletion) {
			continue
		}
		all = append(all, types.SecretListEntry{
			ARN: &sec.arn, Name: &sec.name, Description: sec.description,
			CreatedDate: &sec.created, LastChangedDate: &sec.changed, DeletedDate: sec.deleted,
			RotationEnabled: sec.rotates, RotationLambdaARN: sec.function, RotationRules: sec.rules,
			SecretVersionsToStages: sec.labels.byVersion(),
		})
	}
	oldestFirst := func(sec types.SecretListEntry) string { return age(*sec.CreatedDate) + *sec.Name }
	page, next, err := pageOf(all, oldestFirst, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	return &secretsmanager.ListSecretsOutput{SecretList: page, NextToken: next}, nil
}

// listSecretVersionIDs leaves out versions without a value. AWS's guide on stuck rotations says that its list can do so.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot_rotation.html
func (s *Simulator) listSecretVersionIDs(in *secretsmanager.ListSecretVersionIdsInput) (*secretsmanager.ListSecretVersionIdsOutput, error) {
	sec, err := s.find(in.SecretId)
	if err != nil {
		return nil, err
	}
	all := []types.SecretVersionsListEntry{}
	for id, v := range sec.versions {
		if on := sec.labels.on(id); v.hasValue() && (len(on) > 0 || aws.ToBool(in.IncludeDeprecated)) {
			all = append(all, types.SecretVersionsListEntry{VersionId: &id, CreatedDate: &v.created, VersionStages: on})
		}
	}
	oldestFirst := func(v types.SecretVersionsListEntry) string { return age(*v.CreatedDate) + *v.VersionId }
	page, next, err := pageOf(all, oldestFirst, in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	return &secretsmanager.ListSecretVersionIdsOutput{ARN: &sec.arn, Name: &sec.name, Versions: page, NextToken: next}, nil
}

// pageOf returns the items that follow the one in the token, sorted by key, and the token of the next page if there is
// one. A page has at most size items, or 100. An item that is added or removed between two pages changes no other's place.
func pageOf[Item any](items []Item, key func(Item) string, token *string, size *int32) (page []Item, next *string, err error) {
	most := 100
	if size != nil {
		most = int(*size)
	}
	if most < 1 || most > 100 {
		return nil, nil, refuse("ValidationException", "MaxResults is from 1 to 100")
	}
	last, ok := decodeToken(token)
	if !ok {
		return nil, nil, refuse("InvalidNextTokenException", "no earlier answer had this NextToken")
	}
	items = slices.DeleteFunc(items, func(item Item) bool { return key(item) <= last })
	slices.SortFunc(items, func(a, b Item) int { return cmp.Compare(key(a), key(b)) })
	if len(items) > most {
		items = items[:most]
		next = encodeToken(key(items[most-1]))
	}
	return items, next, nil
}

// encodeToken returns the NextToken for the page after the item with this key.
func encodeToken(last string) *string { return new(hex.EncodeToString([]byte(last))) }

// decodeToken returns the key in a NextToken, or "" if there is no token.
func decodeToken(token *string) (last string, ok bool) {
	key, err := hex.DecodeString(aws.ToString(token))
	return string(key), err == nil
}

// age returns a time as text that sorts as the time does.
func age(t time.Time) string { return fmt.Sprintf("%020d ", t.UnixNano()) }
